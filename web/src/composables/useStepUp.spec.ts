import { expect, it } from 'vitest'
import { createStepUp } from './useStepUp'

it('names every act that waits, once, and settles them all', async () => {
  const stepUp = createStepUp()
  const asked = ['to add a passkey', 'to add a passkey', 'to suspend Kim'].map((act) => stepUp.ask(act))
  expect(stepUp.why.value).toBe('Fresh proof of who you are is needed to add a passkey, and to suspend Kim. It lasts for ten minutes.')
  stepUp.settle(true)
  expect([await Promise.all(asked), stepUp.wanted.value]).toEqual([[true, true, true], false])
  void stepUp.ask()
  expect(stepUp.why.value).toBe('Fresh proof of who you are is needed to go on. It lasts for ten minutes.')
})
