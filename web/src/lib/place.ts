/** A page of a list: its number, from 1, and the cursor that it begins at; the first has none. */
export interface Place { number: number; cursor?: string }

/** Cursors of pages that were seen, by the pages' numbers. */
export type Trail = Record<number, string>

/** The names under which an address keeps places. */
export const PLACES = ['page', 'decided'] as const
export type PlaceName = (typeof PLACES)[number]

/** What an address asks for, without where one is in its lists. */
export const placeless = <V>(query: Record<string, V>): Record<string, V> =>
  Object.fromEntries(Object.entries(query).filter(([name]) => !PLACES.some((place) => place === name)))

const KEPT = 100 // pages on either side: browsers bound what an entry of their history holds

/** Reads what an address says, as "3.cursor"; whatever is none is the first page. */
export function readPlace(text: unknown): Place {
  const [, number, cursor] = /^([1-9]\d{0,5})\.(.+)$/.exec(typeof text === 'string' ? text : '') ?? []
  return cursor && Number(number) > 1 ? { number: Number(number), cursor } : { number: 1 }
}

export const writePlace = ({ number, cursor }: Place): string | undefined => (cursor ? `${number}.${cursor}` : undefined)

/** The page before, if its cursor is known: a list tells the next one alone. Who came by a link has seen none. */
export function placeBefore({ number }: Place, trail: Trail): Place | undefined {
  if (number <= 2) return { number: 1 }
  const cursor = trail[number - 1]
  return cursor ? { number: number - 1, cursor } : undefined
}

/** The trail with the places added; what is far from the last of them is forgotten. */
export function grown(trail: Trail, ...places: Place[]): Trail {
  const here = places.at(-1)?.number ?? 1
  const all: Trail = { ...trail }
  for (const { number, cursor } of places) if (cursor) all[number] = cursor
  return Object.fromEntries(Object.entries(all).filter(([number]) => Math.abs(Number(number) - here) <= KEPT))
}
