/** What one process of a server has others hear, because they would decide otherwise without it. */
export type News =
  /** Somebody took, lost or got back what all of them count together. */
  | { readonly bucket: string; readonly change: 'charge' | 'giveBack'; readonly key: string }
  /** A credential is good no longer: look at every one again. */
  | 'credentials changed'

/** The other processes that serve the same port from the same store. Servers elsewhere hear through the database only. */
export interface Siblings {
  /** Have the others hear it; resolves when they have, or after `LIMITS.newsHeardMs` without one that does not answer. */
  tell(news: News): Promise<void>
  /** Be told of what others tell. */
  hear(listener: (news: News) => void): void
}

/** Of a process that serves alone. */
export const NO_SIBLINGS: Siblings = { tell: async () => {}, hear: () => {} }
