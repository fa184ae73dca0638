import type { MaybePromise } from '../kv-store.ts'

/** Credentials for requests to one depot. */
export interface TokenSource {
  /**
   * The Authorization header of one request, or undefined when there is nothing to show.
   *
   * @param request its method, and its raw path as it is sent, without the query
   */
  authorization(request: { readonly method: string; readonly path: string }): MaybePromise<string | undefined>
}

/** For a depot that asks for no credentials. */
export const NO_CREDENTIALS: TokenSource = { authorization: () => undefined }
