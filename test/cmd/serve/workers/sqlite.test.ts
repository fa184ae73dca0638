import { describeWorkerAgreement } from '../../../conformance/worker-agreement.ts'
import { describeWorkerCredentials } from '../../../conformance/worker-credentials.ts'

describeWorkerAgreement('SQLite', async () => [])
describeWorkerCredentials('SQLite', async () => [])
