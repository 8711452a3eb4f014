import { describe, expect, it } from 'vitest'
import { byWord, changes, objectPage, orderWord } from './audit'

describe('audit', () => {
  it.each([['catalog.ChangePlan', 'Change plan'], ['bandwidth.RegisterExporter', 'Register exporter'], ['billing.CloseCycle', 'Close cycle'], ['plain', 'Plain'], ['', '']])(
    '%s is "%s"', (command, words) => expect(orderWord(command)).toBe(words))
  it('names the fields that changed, with what they were', () =>
    expect(changes({ quota_bytes: 5, name: 'a', gone: '' }, { quota_bytes: 7, name: 'b', tags: ['x'] })).toEqual([
      { field: 'gone', before: '–', after: '–' }, { field: 'name', before: 'a', after: 'b' }, { field: 'quota bytes', before: '5', after: '7' }, { field: 'tags', before: '–', after: '["x"]' },
    ]))
  it.each([[undefined, undefined], [null, 'text'], [[1], 3]])('%j to %j changed no field', (before, after) => expect(changes(before, after)).toEqual([]))
  it('leads to objects that have a page', () => {
    expect(objectPage({ type: 'service', id: 'x' }, 'admin')).toBe('/services/x')
    expect(objectPage({ type: 'customer', id: 'x' }, 'admin')).toBe('/customers/x')
    expect(objectPage({ type: 'customer', id: 'x' }, 'account')).toBe('/account')
    expect(objectPage({ type: 'plan', id: 'x' }, 'admin')).toBeUndefined()
  })
  it('says who', () => expect(byWord('system')).toBe('The platform'))
})
