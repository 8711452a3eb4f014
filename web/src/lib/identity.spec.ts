import { expect, it } from 'vitest'
import { deviceWord, grouped, qrPath, waitWord } from './identity'

it('says how long to wait, never too short', () => {
  expect([0.2, 1, 59.5, 60, 61, 3599, 3600, 7000].map(waitWord)).toEqual(['1 second', '1 second', '60 seconds', '1 minute', '2 minutes', '60 minutes', '1 hour', '2 hours'])
})

it('names browsers shortly', () => {
  const mozilla = 'Mozilla/5.0 (X11; Linux x86_64)'
  expect(deviceWord(`${mozilla} Gecko/20100101 Firefox/140.0`)).toBe('Firefox on Linux')
  expect(deviceWord('Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0')).toBe('Edge on Windows')
  expect(deviceWord('Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile/15E Safari/604')).toBe('Safari on iOS')
  expect(['curl/8.0', ''].map(deviceWord)).toEqual(['curl/8.0', 'an unknown program'])
})

it('draws a code row by row', () => {
  expect(qrPath({ size: 3, modules: '110000101' })).toBe('M4 4h2v1h-2zM4 6h1v1h-1zM6 6h1v1h-1z')
})

it('groups a secret', () => expect([grouped('ABCDEFGHIJ'), grouped('ABCD'), grouped('')]).toEqual(['ABCD EFGH IJ', 'ABCD', '']))
