import { computed, ref, type ComputedRef, type InjectionKey, type Ref } from 'vue'
import { must } from '@/lib/inject'

/** Some acts want a proof that is a few minutes old. One dialog asks for it, however many acts wait. */
export interface StepUp {
  wanted: Readonly<Ref<boolean>>
  why: ComputedRef<string> // the acts that wait, in a sentence for people
  ask(act?: string): Promise<boolean> // act: as "to remove the passkey"
  settle(proved: boolean): void
}

export const stepUpKey: InjectionKey<StepUp> = Symbol('step-up')

export const useStepUp = (): StepUp => must(stepUpKey)

export function createStepUp(): StepUp {
  const wanted = ref(false)
  const acts = ref<string[]>([])
  let waiting: ((proved: boolean) => void)[] = []
  function ask(act = 'to go on') {
    wanted.value = true
    acts.value = [...new Set([...acts.value, act])]
    return new Promise<boolean>((resolve) => waiting.push(resolve))
  }
  function settle(proved: boolean) {
    wanted.value = false
    acts.value = []
    const all = waiting
    waiting = []
    for (const resolve of all) resolve(proved)
  }
  return { wanted, why: computed(() => `Fresh proof of who you are is needed ${acts.value.join(', and ')}. It lasts for ten minutes.`), ask, settle }
}
