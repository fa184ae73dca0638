import { describeOn } from '../helpers/storage-pairs.ts'
import { SUITES } from './suites.ts'

describeOn({ database: 'postgres', blobs: 's3' }, SUITES)
