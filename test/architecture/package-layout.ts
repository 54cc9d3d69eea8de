/** What a package may import, and what is in it. */
export interface PackageLayout {
  readonly floor: 1 | 2 | 3 | 4
  /** The packages that it may import, by the names of their folders. */
  readonly imports: readonly string[]
  /**
   * Its folders, and the files beside them, from the bottom to the top: each imports only from those
   * before it. A folder within a folder has a place of its own.
   */
  readonly rooms: readonly string[]
}
