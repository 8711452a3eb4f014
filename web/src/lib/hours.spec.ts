import { describe, expect, it } from 'vitest'
import { fromField, hoursOf, toField } from './hours'

const now = Date.parse('2026-03-10T12:30:05Z')

describe('spans of whole hours', () => {
  it.each([
    ['24h', '2026-03-09T13:00:00Z', '2026-03-10T13:00:00Z'],
    ['7d', '2026-03-03T13:00:00Z', '2026-03-10T13:00:00Z'],
    ['30d', '2026-02-08T13:00:00Z', '2026-03-10T13:00:00Z'],
    ['month', '2026-03-01T00:00:00Z', '2026-03-10T13:00:00Z'],
    ['last-month', '2026-02-01T00:00:00Z', '2026-03-01T00:00:00Z'],
  ] as const)('%s', (name, from, to) => expect(hoursOf(name, now)).toEqual({ from, to }))
  it('ends after the hour that begins now', () => expect(hoursOf('24h', Date.parse('2026-03-10T12:00:00Z')).to).toBe('2026-03-10T13:00:00Z'))
  it('of January is of the year before', () => expect(hoursOf('last-month', Date.parse('2026-01-15T00:00:00Z')).from).toBe('2025-12-01T00:00:00Z'))
})

describe('fields', () => {
  it.each([['2026-03-10T12:00', '2026-03-10T12:00:00Z'], ['2026-03-10T12:30', undefined], ['', undefined], ['2026-13-10T12:00', undefined]])('%s', (text, time) => expect(fromField(text)).toBe(time))
  it('there and back', () => expect(fromField(toField('2026-03-10T12:00:00Z'))).toBe('2026-03-10T12:00:00Z'))
})
