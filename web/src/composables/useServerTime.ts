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

const JITTER_MS = 3000 // a message may have been on its way for so long

export function createServerTime(api: Api): ServerTime {
  const offsetMs = ref(0)
  async function sync() {
    const asked = Date.now()
    const { now } = await api.clock()
    const heard = Date.now()
    offsetMs.value = Math.round(Date.parse(now) - (asked + heard) / 2)
  }
  function hear(at: string) {
    const offset = Date.parse(at) - Date.now()
    if (Math.abs(offset - offsetMs.value) > JITTER_MS) offsetMs.value = offset
  }
  return { offsetMs, now: () => Date.now() + offsetMs.value, hear, sync }
}
