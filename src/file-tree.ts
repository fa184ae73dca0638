/** Files and folders to be read. A string stands for its bytes in UTF-8; names and targets of any other bytes are given as such. */
export type FileTree =
  | {
      readonly type: 'regular'
      readonly executable: boolean
      readonly sizeBytes: number
      /** Read once, when its turn comes. */
      readonly contents: AsyncIterable<Uint8Array>
    }
  | { readonly type: 'symlink'; readonly target: Uint8Array | string }
  | {
      readonly type: 'directory'
      /** In the order of the bytes of their names; asked for one by one. */
      readonly entries: Iterable<FileTreeEntry> | AsyncIterable<FileTreeEntry>
    }

export interface FileTreeEntry {
  readonly name: Uint8Array | string
  readonly node: FileTree
}
