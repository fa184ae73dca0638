/**
 * What one process has others hear, because they would decide otherwise without it. Everything else that several must know is read from the
 * database.
 */
export type News =
  /** Somebody took, lost or got back what all of them count together. */
  | { readonly bucket: string; readonly change: 'charge' | 'giveBack'; readonly key: string }
  /** A credential is good no longer: look at every one again. */
  | 'credentials changed'

/** The other processes that serve from the same store: on the same port, and on other machines. */
export interface Siblings {
  /**
   * Have the others hear it; resolves when those of this server have, or after `LIMITS.newsHeardMs` without one that does not answer, and when
   * it is on its way to other servers. Those that are cut off look at every credential again when they are back.
   */
  tell(news: News): Promise<void>
  /** Be told of what others tell. */
  hear(listener: (news: News) => void): void
}

/** Of a process that serves alone. */
export const NO_SIBLINGS: Siblings = { tell: async () => {}, hear: () => {} }
