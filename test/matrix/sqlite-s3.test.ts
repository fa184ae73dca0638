import { describeOn } from '../helpers/storage-pairs.ts'
import { SUITES } from './suites.ts'

describeOn({ database: 'sqlite', blobs: 's3' }, SUITES)
