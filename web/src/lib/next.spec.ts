import { expect, it } from 'vitest'
import { ownPath } from './next'

it('leads to paths of our own alone', () => {
  expect(['/services', '/services?q=1#x', '//evil.example', '/\\evil.example', 'https://evil.example', 'javascript:1', '', undefined, ['/a']].map(ownPath))
    .toEqual(['/services', '/services?q=1#x', undefined, undefined, undefined, undefined, undefined, undefined, undefined])
})
