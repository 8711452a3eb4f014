import { computed, shallowRef, type ComputedRef, type Ref, type WatchSource } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import { ApiProblem, type List } from '@/api'
import { useResource, type Resource } from '@/composables/useResource'
import { grown, placeBefore, readPlace, writePlace, type Place, type PlaceName, type Trail } from '@/lib/place'
import { fieldName } from '@/lib/problem'

export interface Pager {
  number: number // of the page shown, from 1
  hasNext: boolean
  toFirst: boolean // previous leads there: who came by a link has not seen the page before
  next(): void
  previous(): void
}

export interface Pages<T> {
  items: ComputedRef<T[] | undefined>
  problem: Resource<List<T>>['problem']
  reload(): Promise<void>
  first(): void
  pager: Pager
}

interface Keeper {
  place: Readonly<Ref<Place>>
  trail: Readonly<Ref<Trail>>
  go(to: Place, trail: Trail, replace?: boolean): void
}

function inMemory(): Keeper {
  const place = shallowRef<Place>({ number: 1 }), trail = shallowRef<Trail>({})
  return { place, trail, go: (to, known) => { place.value = to; trail.value = known } }
}

/** The place stands in the address, which can be sent; the way there in the browser's history, which is one's own. */
function inAddress(name: PlaceName): Keeper {
  const route = useRoute(), router = useRouter()
  const trails = (): Partial<Record<PlaceName, Trail>> => history.state?.trails ?? {}
  return {
    place: computed(() => readPlace(route.query[name])),
    trail: computed(() => { void route.fullPath; return trails()[name] ?? {} }),
    go: (to, known, replace = false) =>
      void router.push({ query: { ...route.query, [name]: writePlace(to) }, state: { trails: { ...trails(), [name]: known } }, replace }),
  }
}

const isOfCursor = (error: unknown) => error instanceof ApiProblem && error.fields.some((f) => fieldName(f.location) === 'cursor')

/** A long list, one page at a time. With a name its place stands in the address: back, forward and a reload come to the same page. */
export function usePages<T>(
  ask: (cursor: string | undefined, signal: AbortSignal) => Promise<List<T>>,
  options: { refreshMs?: number; on?: WatchSource<unknown>[]; place?: PlaceName } = {},
): Pages<T> {
  const { place, trail, go } = options.place ? inAddress(options.place) : inMemory()
  const move = (to: Place) => go(to, grown(trail.value, place.value, to))

  // What is no page of this list, or none any more, leads to the first.
  async function page(signal: AbortSignal): Promise<List<T>> {
    const { cursor } = place.value
    try {
      const answer = await ask(cursor, signal)
      if (!cursor || answer.items.length) return answer
    } catch (error) {
      if (!cursor || !isOfCursor(error)) throw error
    }
    signal.throwIfAborted()
    go({ number: 1 }, {}, true)
    return ask(undefined, signal)
  }
  const { data, problem, reload } = useResource(page, {
    refreshMs: () => options.refreshMs ?? 0,
    on: [() => place.value.cursor, ...(options.on ?? [])],
  })
  const after = computed(() => (data.value ? data.value.next_cursor : trail.value[place.value.number + 1])) // while a page comes: as it was
  const before = computed(() => placeBefore(place.value, trail.value))
  return {
    items: computed(() => data.value?.items),
    problem,
    reload,
    first: () => move({ number: 1 }),
    pager: {
      get number() { return place.value.number },
      get hasNext() { return Boolean(after.value) },
      get toFirst() { return !before.value },
      next() { if (after.value) move({ number: place.value.number + 1, cursor: after.value }) },
      previous() { if (place.value.number > 1) move(before.value ?? { number: 1 }) },
    },
  }
}
