import { afterEach, describe, expect, it, vi } from 'vitest'
import { ceremonyProblem, creationOptions, fromBase64url, requestOptions, responseJSON, toBase64url } from './webauthn'

const bytes = (...values: number[]) => new Uint8Array(values).buffer
const view = (buffer: unknown) => [...new Uint8Array(buffer as ArrayBuffer)]
afterEach(() => vi.unstubAllGlobals())

describe('base64url', () => {
  it('goes there and back for every length and byte', () => {
    for (let n = 0; n < 70; n++) {
      const given = Uint8Array.from({ length: n }, (_, i) => (i * 37 + n * 101) % 256)
      expect(view(fromBase64url(toBase64url(given.buffer)))).toEqual([...given])
    }
  })
  it('is the one of RFC 4648, section 5, without padding', () => {
    expect([toBase64url(bytes(0xfb, 0xff)), toBase64url(bytes()), toBase64url(bytes(102))]).toEqual(['-_8', '', 'Zg'])
    expect(view(fromBase64url('Zg=='))).toEqual([102])
  })
  it('refuses what is none', () => {
    for (const text of ['a+b/', 'ä', 'Zg===', ' Zg', 'Z']) expect(() => fromBase64url(text), text).toThrow()
  })
})

describe('options', () => {
  const creation = { challenge: '-_8', rp: { name: 'x' }, user: { id: 'Zg', name: 'a', displayName: 'A' }, pubKeyCredParams: [], excludeCredentials: [{ id: '-_8', type: 'public-key' }] }
  it('are converted where the browser does not', () => {
    const made = creationOptions(creation)
    expect([view(made.challenge), view(made.user.id), view(made.excludeCredentials![0]!.id), made.rp.name]).toEqual([[0xfb, 0xff], [102], [0xfb, 0xff], 'x'])
    const asked = requestOptions({ publicKey: { challenge: 'Zg', allowCredentials: [{ id: 'Zg', type: 'public-key' }] } })
    expect([view(asked.challenge), view(asked.allowCredentials![0]!.id)]).toEqual([[102], [102]])
    expect(requestOptions({ challenge: 'Zg' }).allowCredentials).toBeUndefined()
    expect(() => requestOptions(undefined)).toThrow()
  })
  it('are left to the browser that can', () => {
    const parse = vi.fn(() => 'parsed')
    vi.stubGlobal('PublicKeyCredential', { parseCreationOptionsFromJSON: parse, parseRequestOptionsFromJSON: parse })
    expect([creationOptions({ publicKey: creation }), requestOptions(creation)]).toEqual(['parsed', 'parsed'])
    expect(parse).toHaveBeenCalledWith(creation)
  })
})

describe('answers', () => {
  const credential = { id: '-_8', rawId: bytes(0xfb, 0xff), type: 'public-key', authenticatorAttachment: 'platform', getClientExtensionResults: () => ({}) }
  it('are converted where the browser does not', () => {
    const response = { clientDataJSON: bytes(102), signature: bytes(1), authenticatorData: bytes(2), userHandle: null }
    expect(responseJSON({ ...credential, response } as unknown as PublicKeyCredential)).toEqual({
      id: '-_8', rawId: '-_8', type: 'public-key', authenticatorAttachment: 'platform', clientExtensionResults: {}, response: { clientDataJSON: 'Zg', signature: 'AQ', authenticatorData: 'Ag' },
    })
    const made = responseJSON({ ...credential, response: { attestationObject: bytes(3), getTransports: () => ['usb'] } } as unknown as PublicKeyCredential)
    expect(made).toMatchObject({ response: { attestationObject: 'Aw', transports: ['usb'] } })
  })
  it('are the browser’s own where it has them', () => {
    expect(responseJSON({ ...credential, toJSON: () => 'own' } as unknown as PublicKeyCredential)).toBe('own')
  })
})

it('tells a ceremony that ended from anything else', () => {
  expect(ceremonyProblem(new DOMException('', 'NotAllowedError'))).toMatch(/cancelled/)
  expect(ceremonyProblem(new DOMException('', 'OddError'))).toMatch(/OddError/)
  expect(ceremonyProblem(new Error('x'))).toBeUndefined()
})
