// Writes .gz and .br beside each text asset, so that the server never compresses at run time.
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'

const site = fileURLToPath(new URL('../dist/site', import.meta.url))
const files = (await readdir(join(site, 'assets'))).filter((name) => /\.(js|css|svg)$/.test(name))
await Promise.all(files.map(async (name) => {
  const path = join(site, 'assets', name)
  const body = await readFile(path)
  const [gz, br] = await Promise.all([
    promisify(gzip)(body, { level: 9 }),
    promisify(brotliCompress)(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_SIZE_HINT]: body.length } }),
  ])
  await Promise.all([writeFile(path + '.gz', gz), writeFile(path + '.br', br)])
}))
