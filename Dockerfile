# Gridwhistle in a container. TypeScript runs directly (type stripping), so there is nothing to build.
FROM node:26-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# The npm package `node` is a development dependency: the image brings its own runtime.
RUN npm ci --omit=dev --ignore-scripts

FROM node:26-bookworm-slim
ENV NODE_ENV=production GW_DATA_DIR=/data GW_HOST=0.0.0.0
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY gateway ./gateway
COPY rules ./rules
COPY cli ./cli
COPY simulators ./simulators
COPY dashboards/console ./dashboards/console
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 1883 8083 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/readyz').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# No npm in between: signals reach the gateway, which drains and exits 0. The flag is that of `npm start`: what
# waits for the disk survives many small collections, and is copied by each; fewer, larger ones cost less.
CMD ["node", "--max-semi-space-size=64", "cli/gridwhistle.ts", "serve"]
