import { httpClients } from '../../support/wrong-servers/http-clients.ts'
import { otherClients } from '../../support/wrong-servers/other-clients.ts'
import { testAgainstWrongServers } from '../../support/wrong-servers/suite.ts'

testAgainstWrongServers([...httpClients, ...otherClients], 'whole')
