export { DeviceList } from './device-list.ts'
export type { ConfirmDevice, DeviceListOptions } from './device-list.ts'
export { deviceTrust, signDeviceId } from './device-trust.ts'
export type { DeviceTrustOptions } from './device-trust.ts'
