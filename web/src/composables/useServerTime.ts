import { ref, type InjectionKey, type Ref } from 'vue'
import type { Api } from '@/api'
import { must } from '@/lib/inject'

/** The platform's clock. In development it can be ahead of the browser's by days. */
export interface ServerTime {
  offsetMs: Ref<number>
  now(): number
  sync(): Promise<void>
}

export const serverTimeKey: InjectionKey<ServerTime> = Symbol('server time')

export const useServerTime = (): ServerTime => must(serverTimeKey)

export function createServerTime(api: Api): ServerTime {
  const offsetMs = ref(0)
  async function sync() {
    const asked = Date.now()
    const { now } = await api.clock()
    const heard = Date.now()
    offsetMs.value = Math.round(Date.parse(now) - (asked + heard) / 2)
  }
  return { offsetMs, now: () => Date.now() + offsetMs.value, sync }
}
