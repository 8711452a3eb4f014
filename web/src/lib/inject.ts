import { inject, type InjectionKey } from 'vue'

/** Like inject, but a missing provider is a mistake that shows at once. */
export function must<T>(key: InjectionKey<T>): T {
  const value = inject(key)
  if (value === undefined) throw new Error(`nothing provides ${String(key.description)}`)
  return value
}
