/**
 * Put an entry last into a Map that has at most `most`: a Map remembers the order of insertion, so that its first entry is the one that
 * was put longest ago, and goes.
 */
export function putBounded<K, V>(map: Map<K, V>, most: number, key: K, value: V): void {
  map.delete(key)
  map.set(key, value)
  if (map.size <= most) return
  const [oldest] = map.keys()
  if (oldest !== undefined) map.delete(oldest)
}
