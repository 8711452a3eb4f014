import { nextTick, ref, shallowRef, type Ref } from 'vue'
import { ApiProblem } from '@/api'
import { ceremonyProblem } from '@/lib/webauthn'

export interface Attempt {
  busy: Readonly<Ref<boolean>>
  problem: Readonly<Ref<ApiProblem | undefined>>
  run(action: () => Promise<void>): Promise<boolean> // true: it went well
  clear(): void
}

/** What people read of an error: a problem of the API, a passkey that was not used, or whatever it says of itself. */
export const toApiProblem = (error: unknown): ApiProblem =>
  (error instanceof ApiProblem ? error : new ApiProblem(0, ceremonyProblem(error) ?? (error instanceof Error ? error.message : String(error))))

/**
 * Does one thing at a time and keeps why it failed. The focus then goes to the first field that is wrong, or else to the
 * message, within the element given.
 */
export function useAttempt(within?: Readonly<Ref<HTMLElement | undefined>>): Attempt {
  const busy = ref(false)
  const problem = shallowRef<ApiProblem>()
  async function run(action: () => Promise<void>) {
    if (busy.value) return false
    busy.value = true
    problem.value = undefined
    try {
      await action()
      return true
    } catch (error) {
      problem.value = toApiProblem(error)
      await nextTick()
      within?.value?.querySelector<HTMLElement>('[aria-invalid=true], [role=alert]')?.focus()
      return false
    } finally {
      busy.value = false
    }
  }
  return { busy, problem, run, clear: () => { problem.value = undefined } }
}
