import { describe, expect, it, vi } from 'vitest'
import { ApiProblem } from '@/api'
import { byField, fieldName, rereading, sentence, told } from './problem'

describe('problems', () => {
  it.each([['body.rate_max', 'rate_max'], ['query.sort', 'sort'], ['source', 'source'], [undefined, '']])('field of %s', (location, name) => expect(fieldName(location)).toBe(name))
  it('begins with a capital', () => expect([sentence('there is no such port'), sentence('"x" is none'), sentence('')]).toEqual(['There is no such port', '"x" is none', '']))
  it('says in words for people what the API says for programs', () => {
    expect(told(new ApiProblem(409, 'customer has version 2, not 3', 'version_mismatch'))).toMatch(/^Somebody else changed this/)
    expect(told(new ApiProblem(404, 'there is no such port', 'not_found'))).toBe('There is no such port')
  })
  it('reads anew what somebody else was quicker to change, and nothing on another failure', async () => {
    const reload = vi.fn(async () => {})
    await rereading(Promise.resolve(), reload)
    await expect(rereading(Promise.reject(new ApiProblem(409, 'version 2, not 3', 'version_mismatch')), reload)).rejects.toMatchObject({ code: 'changed_meanwhile' })
    await expect(rereading(Promise.reject(new ApiProblem(403, 'no', 'forbidden')), reload)).rejects.toMatchObject({ code: 'forbidden' })
    expect(reload).toHaveBeenCalledTimes(2)
  })
  it('sorts what is wrong to the fields that are shown', () => {
    const problem = new ApiProblem(422, 'the input is not valid', '', [{ location: 'body.source', message: 'must be a prefix' }, { location: 'body.other', message: 'no' }])
    expect(byField(problem, ['source', 'agent'])).toEqual({ source: 'Must be a prefix' })
    expect(byField(undefined, ['source'])).toEqual({})
  })
})
