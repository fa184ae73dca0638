/**
 * Do some work for each item, `atOnce` of them side by side, asking for the next only when one is done.
 *
 * @throws what the first work that failed threw, once no other is under way; no further item is asked for then
 */
export async function inParallel<T>(
  items: Iterable<T> | AsyncIterable<T>,
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const source = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
  let failure: { readonly error: unknown } | undefined
  const worker = async (): Promise<void> => {
    try {
      while (failure === undefined) {
        const next = await source.next()
        if (next.done === true || failure !== undefined) return
        await work(next.value)
      }
    } catch (error) {
      failure ??= { error }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  await source.return?.()
  if (failure !== undefined) throw failure.error
}
