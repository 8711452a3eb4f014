import { describe, expect, it } from 'vitest'
import { grown, placeBefore, placeless, readPlace, writePlace } from './place'

const first = { number: 1 }

describe('readPlace', () => {
  it('reads what writePlace wrote', () => {
    for (const place of [first, { number: 2, cursor: 'WyJhIl0' }, { number: 4711, cursor: 'a.b-c_d' }]) expect(readPlace(writePlace(place))).toEqual(place)
  })
  it.each([undefined, null, '', '3', '3.', '.abc', '0.abc', '1.abc', '-2.abc', '2,abc', 'x.abc', '1e3.abc', '99999999.abc', ['2.abc', '3.abc'], {}])('takes %j for the first page', (text) =>
    expect(readPlace(text)).toEqual(first))
})

describe('placeBefore', () => {
  it('is the first before the second, seen or not', () => expect([placeBefore(first, {}), placeBefore({ number: 2, cursor: 'b' }, {})]).toEqual([first, first]))
  it('is the one that was seen', () => expect(placeBefore({ number: 3, cursor: 'c' }, { 2: 'b', 3: 'c' })).toEqual({ number: 2, cursor: 'b' }))
  it('is unknown to who came by a link', () => expect(placeBefore({ number: 3, cursor: 'c' }, { 3: 'c' })).toBeUndefined())
})

describe('placeless', () => {
  it('keeps what is asked for', () => expect(placeless({ q: 'a', page: '2.b', decided: '3.c', sort: 'name' })).toEqual({ q: 'a', sort: 'name' }))
})

describe('grown', () => {
  it('holds where one was and goes', () => expect(grown({ 2: 'b' }, { number: 3, cursor: 'c' }, { number: 4, cursor: 'd' })).toEqual({ 2: 'b', 3: 'c', 4: 'd' }))
  it('keeps the pages after when one goes back', () => expect(grown({ 2: 'b' }, { number: 2, cursor: 'b' }, first)).toEqual({ 2: 'b' }))
  it('is bounded', () => {
    let trail = {}
    for (let n = 1; n < 1000; n++) trail = grown(trail, { number: n, cursor: `c${n}` }, { number: n + 1, cursor: `c${n + 1}` })
    expect(Object.keys(trail)).toHaveLength(101)
    expect(placeBefore({ number: 1000, cursor: 'c1000' }, trail)).toEqual({ number: 999, cursor: 'c999' })
  })
})
