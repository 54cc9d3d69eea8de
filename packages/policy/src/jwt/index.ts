export { jwtClaims } from './jwt-claims.ts'
export type { JwksLocation, JwtAlgorithm, JwtClaimsOptions } from './options.ts'
