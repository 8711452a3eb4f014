import { ref, type InjectionKey, type Ref } from 'vue'
import { must } from '@/lib/inject'

/** Some acts want a proof that is a few minutes old. One dialog asks for it, however many acts wait. */
export interface StepUp {
  wanted: Readonly<Ref<boolean>>
  ask(): Promise<boolean>
  settle(proved: boolean): void
}

export const stepUpKey: InjectionKey<StepUp> = Symbol('step-up')

export const useStepUp = (): StepUp => must(stepUpKey)

export function createStepUp(): StepUp {
  const wanted = ref(false)
  let waiting: ((proved: boolean) => void)[] = []
  function ask() {
    wanted.value = true
    return new Promise<boolean>((resolve) => waiting.push(resolve))
  }
  function settle(proved: boolean) {
    wanted.value = false
    const all = waiting
    waiting = []
    for (const resolve of all) resolve(proved)
  }
  return { wanted, ask, settle }
}
