/** What is not refused although it is unsafe. All are `false` unless they are set. */
export interface AccessRules {
  /** Accepts a key that its group may read, such as one of a Kubernetes volume with an `fsGroup`. Default `false`. */
  readonly allowGroupReadableKey: boolean
  /** Accepts a key that everybody on the machine may read, and so may be. Default `false`. */
  readonly allowWorldReadableKey: boolean
  /**
   * Accepts files and folders that everybody may write: whoever can run a program on the machine then decides who is
   * trusted by this service. Folders with the sticky bit, such as `/tmp`, need it not. Default `false`.
   */
  readonly allowWorldWritable: boolean
  /** Accepts files and folders of another user, who then holds the identity as well. Those of root need it not. Default `false`. */
  readonly allowForeignOwner: boolean
  /** Accepts symbolic links that lead out of the folder of the file. Default `false`. */
  readonly allowLinksOutsideFolder: boolean
}

/** Windows has no modes, and a user ID of 0 for everything. */
export const HAS_MODES: boolean = process.platform !== 'win32'
