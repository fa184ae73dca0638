import { describeBlobStore } from '../../../conformance/blob-store.ts'
import { describeWith, have } from '../../../helpers/have.ts'
import { openS3World } from '../../../helpers/s3-store.ts'

describeWith('s3', 'a bucket of versitygw', () => {
  describeBlobStore('S3', () => openS3World(have.paths.s3))
})

describeWith('s3Second', 'a bucket of MinIO', () => {
  describeBlobStore('S3', () => openS3World(have.paths.s3Second))
})

describeWith('s3Odd', 'a bucket of moto', () => {
  describeBlobStore('S3', () => openS3World(have.paths.s3Odd))
})
