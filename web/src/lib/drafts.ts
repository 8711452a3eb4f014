/**
 * What was typed and not saved when a session ended under somebody: kept in memory alone, for an hour, and given back once, to
 * the same person at the same account, at the same place. A place is a form of a page; who is meant stands as in "person/account".
 */
export interface Drafts {
  watch(place: string, read: () => unknown): () => void // while a form is there; read: what is typed and not saved, else undefined
  keep(whose: string): void // of all forms that are there: the session is over
  take(whose: string, place: string): unknown
  forget(whose: string, place: string): void // it was saved
  only(whose: string): void // this person is here now: what others typed is forgotten
}

const HOUR_MS = 3_600_000
const MOST = 20

/** The fields of a form that are not as they were read; undefined: all are. */
export function differing<T extends object>(typed: T, was: T): Partial<T> | undefined {
  const fields = Object.entries(typed).filter(([name, value]) => value !== was[name as keyof T])
  return fields.length ? Object.fromEntries(fields) as Partial<T> : undefined
}

const personOf = (whose: string) => whose.split('/')[0]

export function createDrafts(): Drafts {
  const forms = new Map<string, () => unknown>()
  const kept = new Map<string, { whose: string; text: string; until: number }>()
  const at = (whose: string, place: string) => `${whose} ${place}`
  function keep(whose: string) {
    if (!whose) return
    const until = Date.now() + HOUR_MS
    for (const [place, read] of forms) {
      const typed = read()
      if (typed !== undefined) kept.set(at(whose, place), { whose, text: JSON.stringify(typed), until })
    }
    for (const key of [...kept.keys()].slice(0, -MOST)) kept.delete(key)
    setTimeout(drop, HOUR_MS)
  }
  function drop() {
    for (const [key, draft] of kept) if (draft.until <= Date.now()) kept.delete(key)
  }
  function take(whose: string, place: string): unknown {
    drop() // a machine that slept has missed its timers
    const draft = kept.get(at(whose, place))
    kept.delete(at(whose, place))
    return draft && JSON.parse(draft.text)
  }
  return {
    watch(place, read) {
      forms.set(place, read)
      return () => { if (forms.get(place) === read) forms.delete(place) }
    },
    keep,
    take,
    forget: (whose, place) => { kept.delete(at(whose, place)) },
    only(whose) {
      for (const [key, draft] of kept) if (personOf(draft.whose) !== personOf(whose)) kept.delete(key)
    },
  }
}
