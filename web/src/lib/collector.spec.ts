import { describe, expect, it } from 'vitest'
import { hostPrefix } from './collector'

describe('the prefix of a source', () => {
  it.each([['192.0.2.77', '192.0.2.77/32'], ['2001:db8::1', '2001:db8::1/128'], ['192.0.2.0/24', '192.0.2.0/24']])('%s', (source, prefix) => expect(hostPrefix(source)).toBe(prefix))
})
