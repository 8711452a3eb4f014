# Pages, then the binary, then nothing but the binary and the certificates that mail servers and webhooks are checked by. Production names real servers: no embedded ones in here.
FROM node:20.20.2-bookworm-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY api/openapi.json ../api/openapi.json
COPY web ./
RUN npm run build

FROM golang:1.26.8-bookworm AS build
ARG VERSION=unknown
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
COPY --from=web /src/web/dist web/dist
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-X main.version=${VERSION}" -o /ezscale ./cmd/ezscale

FROM debian:12.12-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/ezscale --create-home ezscale
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /ezscale /usr/local/bin/ezscale
USER ezscale
WORKDIR /var/lib/ezscale
EXPOSE 8080/tcp 6343/udp 2055/udp 4739/udp 9090/tcp
ENTRYPOINT ["ezscale"]
