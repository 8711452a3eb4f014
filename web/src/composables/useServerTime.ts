import { ref, type InjectionKey, type Ref } from 'vue'
import type { Api } from '@/api'
import { must } from '@/lib/inject'

/** The platform's clock. In development it can be ahead of the browser's by days. */
export interface ServerTime {
  offsetMs: Ref<number>
  now(): number
  hear(at: string): void // the platform's time, just received
  sync(): Promise<void>
}

export const serverTimeKey: InjectionKey<ServerTime> = Symbol('server time')

export const useServerTime = (): ServerTime => must(serverTimeKey)

const BETTER_MS = 100
const LATEST_MS = 10_000 // a message that seems later than this was not late: the clock was set anew

export function createServerTime(api: Api): ServerTime {
  const offsetMs = ref(0)
  async function sync() {
    const asked = Date.now()
    const { now } = await api.clock()
    const heard = Date.now()
    offsetMs.value = Math.round(Date.parse(now) - (asked + heard) / 2)
  }
  function hear(at: string) {
    // A message is never early: of all it says about the offset, the highest is the nearest to the truth.
    const gain = Date.parse(at) - Date.now() - offsetMs.value
    if (gain > BETTER_MS || gain < -LATEST_MS) offsetMs.value += gain
  }
  return { offsetMs, now: () => Date.now() + offsetMs.value, hear, sync }
}
