/** The platform's name, as the server wrote it into the document. */
export function brand(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="application-name"]')?.content ?? 'ezscale'
}
