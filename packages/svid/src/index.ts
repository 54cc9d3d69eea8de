export { SvidPluginError } from './errors.ts'
export type { SvidPluginErrorCode } from './errors.ts'
export type { SvidOptions } from './options.ts'
export { svid, svid as default } from './plugin.ts'
export type { ServedSvid } from './served-svid.ts'
export { spiffeServer } from './server/spiffe-server.ts'
export type {
  SpiffeHttp2Options,
  SpiffeHttpsOptions,
  SpiffeServerOptions,
} from './server/spiffe-server.ts'
