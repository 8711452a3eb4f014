import { describe, expect, it } from 'vitest'
import { ApiProblem } from '@/api'
import { byField, fieldName, sentence } from './problem'

describe('problems', () => {
  it.each([['body.rate_max', 'rate_max'], ['query.sort', 'sort'], ['source', 'source'], [undefined, '']])('field of %s', (location, name) => expect(fieldName(location)).toBe(name))
  it('begins with a capital', () => expect([sentence('there is no such port'), sentence('"x" is none'), sentence('')]).toEqual(['There is no such port', '"x" is none', '']))
  it('sorts what is wrong to the fields that are shown', () => {
    const problem = new ApiProblem(422, 'the input is not valid', '', [{ location: 'body.source', message: 'must be a prefix' }, { location: 'body.other', message: 'no' }])
    expect(byField(problem, ['source', 'agent'])).toEqual({ source: 'Must be a prefix' })
    expect(byField(undefined, ['source'])).toEqual({})
  })
})
