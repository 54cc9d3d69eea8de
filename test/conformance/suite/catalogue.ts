import { addresses } from '../cases/addresses.ts'
import { bundlePart } from '../cases/bundle-part.ts'
import { certificateProfile } from '../cases/certificate-profile.ts'
import { chains } from '../cases/chains.ts'
import { contract } from '../cases/contract.ts'
import { endpoint } from '../cases/endpoint.ts'
import { federation } from '../cases/federation.ts'
import { filesPart } from '../cases/files-part.ts'
import { followedBundles } from '../cases/followed-bundles.ts'
import { followedEndpoints } from '../cases/followed-endpoints.ts'
import { grpcPart } from '../cases/grpc-part.ts'
import { hardening } from '../cases/hardening.ts'
import { httpPart } from '../cases/http-part.ts'
import { jwtBundles } from '../cases/jwt-bundles.ts'
import { fetchedAnswers, jwtFetch } from '../cases/jwt-fetch.ts'
import { jwtValidation } from '../cases/jwt-validation.ts'
import { liveConnections } from '../cases/live-connections.ts'
import { bundles, hints } from '../cases/messages.ts'
import { peerValidation } from '../cases/peer-validation.ts'
import { presentedSvid } from '../cases/presented-svid.ts'
import { relay } from '../cases/relay.ts'
import { resumption } from '../cases/resumption.ts'
import { revocation } from '../cases/revocation.ts'
import { spiffeIds, upperCase } from '../cases/spiffe-ids.ts'
import { workloadApi } from '../cases/workload-api.ts'
import type { ConformanceCase } from './case.ts'

/** A part of the suite, with a heading of its own in the report. */
export interface Part {
  readonly title: string
  readonly cases: readonly ConformanceCase[]
}

/** All that there is to run. */
export const parts: readonly Part[] = [
  {
    title: 'The catalogue of the public suite',
    cases: [
      ...endpoint,
      ...workloadApi,
      ...presentedSvid,
      ...peerValidation,
      ...federation,
      ...jwtValidation,
      ...jwtBundles,
      ...jwtFetch,
      ...spiffeIds,
      ...hardening,
    ],
  },
  {
    title: 'Beyond the catalogue',
    cases: [
      ...contract,
      ...addresses,
      ...fetchedAnswers,
      ...hints,
      ...bundles,
      ...upperCase,
      ...certificateProfile,
      ...chains,
      ...resumption,
      ...liveConnections,
      ...revocation,
    ],
  },
  {
    title: 'Parts of the harness',
    cases: [
      ...httpPart,
      ...grpcPart,
      ...relay,
      ...bundlePart,
      ...followedEndpoints,
      ...followedBundles,
      ...filesPart,
    ],
  },
]

/** What each group is about. */
export const groups: ReadonlyMap<string, string> = new Map([
  ['EP', 'the Workload Endpoint'],
  ['WA', 'the Workload API'],
  ['XS', 'the SVID presented'],
  ['XV', 'peer validation'],
  ['XF', 'federation'],
  ['JV', 'JWT-SVIDs'],
  ['JB', 'JWT bundles'],
  ['JF', 'own JWT-SVIDs'],
  ['ID', 'SPIFFE IDs of peers, and of tokens'],
  ['HX', 'own SVIDs that are not good'],
  ['HARNESS', 'the contract itself'],
  ['ADDR', 'malformed addresses'],
  ['FETCH', 'own JWT-SVIDs that are not good'],
  ['HINT', 'hints'],
  ['BUNDLES', 'bundles'],
  ['CASE', 'upper and lower case'],
  ['KU', 'KeyUsage'],
  ['EKU', 'ExtendedKeyUsage'],
  ['PATHLEN', 'path length'],
  ['CHAIN', 'chains'],
  ['RESUME', 'resumed sessions'],
  ['LIVE', 'connections that live on'],
  ['CRL', 'revocation lists'],
  ['HTTP', 'requests, both ways'],
  ['GRPC', 'gRPC, both ways'],
  ['BND', 'the bundle endpoint'],
  ['FOL', 'endpoints that are followed'],
  ['FILES', 'SVIDs and bundles from files'],
  ['RELAY', 'calls on behalf of a caller'],
])

/** What is not run, and why. */
export const leftOut: readonly (readonly [what: string, why: string])[] = [
  [
    'JB-5 with `use` missing',
    'optional; SPIRE leaves `use` out of the JWT bundles of the Workload API, so that such keys have to count',
  ],
  [
    'FetchX509Bundles as a source of trust',
    'the harness holds an X509Source, which takes its bundles from FetchX509SVID; see test/rules/workload-api.test.ts',
  ],
  ['WIT', 'incubating, and no part of the contract'],
]
