import type { Api } from '@/api'

const PAGES = 10 // of 500 rows: more than a year and a half of hours

/** A report whole, for graphs: page after page, within a bound. */
export async function whole<T>(api: Api, name: string, query: Record<string, string | number | undefined>, signal: AbortSignal): Promise<T[]> {
  const rows: T[] = []
  let cursor: string | undefined
  for (let page = 0; page < PAGES; page++) {
    const answer = await api.report<T>(name, { ...query, cursor, limit: 500 }, signal)
    rows.push(...answer.items)
    cursor = answer.next_cursor
    if (!cursor) break
  }
  return rows
}
