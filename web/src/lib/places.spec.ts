import { expect, it } from 'vitest'
import { countries, languages, timeZones } from './places'

it('lists every country once', () => {
  const codes = countries().map((c) => c.value)
  expect([codes.length, new Set(codes).size, codes.includes('DE'), codes.includes('ZW')]).toEqual([250, 250, true, true])
})

it('always lists what is set', () => {
  expect(languages('gsw').some((l) => l.value === 'gsw')).toBe(true)
  expect(timeZones('Etc/Odd').slice(0, 2).map((z) => z.value)).toEqual(['UTC', 'Etc/Odd'])
})
