export { extAuthz, type ExtAuthzOptions } from './ext-authz.ts'
