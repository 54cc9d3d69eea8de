import { spireBinaries } from './binaries.ts'

/** Builds SPIRE where needed before the first test starts its clock, and says where it is. */
export default async function setup(): Promise<void> {
  const { folder } = await spireBinaries()
  process.env['SPIRE_BIN_DIR'] = folder
}
