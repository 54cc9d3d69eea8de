/** What `--help` prints. */
export const usage = `Usage: npx @fastify-spiffe/cli dev [options]
       npx @fastify-spiffe/cli fetch --write DIR [options]
       npx @fastify-spiffe/cli table MODULE [--markdown | --json | --openapi] [--export NAME]
       npx @fastify-spiffe/cli table-diff BEFORE AFTER [--json]
       npx @fastify-spiffe/cli tuf init DIR --keys DIR --root-keys DIR [options]
       npx @fastify-spiffe/cli tuf publish DIR --keys DIR [FILE | PATH=FILE]... [options]
       npx @fastify-spiffe/cli tuf rotate DIR --keys DIR --root-keys DIR --role ROLE

dev runs a SPIFFE authority on this machine, for people without SPIRE. DEVELOPMENT ONLY.
For each workload it serves the Workload API on a Unix socket, and prints its address
as SPIFFE_ENDPOINT_SOCKET. SVIDs are replaced at half of their life. Ctrl-C ends it.

  --trust-domain NAME   the trust domain (default: example.org)
  --federate NAME       another trust domain, with an authority of its own; all of them
                        federate with each other; may be given several times
  --workload PATH       a workload, such as /acme/web, or its whole SPIFFE ID; may be given
                        several times (default: /acme/orders and /acme/web)
  --directory DIR       where the sockets go (default: a temporary folder)
  --svid-ttl TIME       how long an SVID lives, such as 30s, 10m or 1h (default: 1h)

fetch takes the X.509-SVID from the Workload API, and writes it to files for programs that
read files: svid.pem, svid_key.pem and svid_bundle.pem, all at once, with mode 0600.

  --write DIR           where the files go
  --watch               write each renewal too, until Ctrl-C
  --address ADDRESS     of the Workload API (default: SPIFFE_ENDPOINT_SOCKET)
  --spiffe-id ID        which SVID, if there are several; or --hint HINT (default: the first)
  --bundle-map          also write the bundles of all trust domains: bundle_map.json
  --signal NAME         signal a process after each write (default: SIGHUP)
  --pid N               which process; or --pid-file FILE, which is read each time
  --timeout TIME        how long to wait for the first SVID (default: 30s)

table boots the application that a module exports, without listening, and prints who may
call what. The export is a Fastify instance, or a function that makes one.

  --export NAME         the name of the export (default: default)
  --markdown            as a Markdown table (default)
  --json                as JSON, for table-diff
  --openapi             as the paths of an OpenAPI document, with x-spiffe-authz

table-diff compares two files that table --json printed, and ends with 1 when they differ.

  --json                print the difference as JSON

tuf makes a signed repository of bundles and policies in DIR, which any web server serves.
init makes the keys and prints the SHA-256 of the root; publish signs files, and everything
anew without one: run it more often than a timestamp lives; rotate replaces the keys of a role.

  --keys DIR            the keys of targets, snapshot and timestamp
  --root-keys DIR       the keys of the root: keep them offline
  --root-count N        how many root keys init makes (default: 3)
  --root-threshold N    how many of them have to sign (default: 2)
  --remove PATH         a target that is no more; may be given several times
  --timestamp-ttl TIME  how long the timestamp lives (default: 24h)
  --role ROLE           root, targets, snapshot or timestamp

  -h, --help            print this
  -v, --version         print the version
`

/** The command line asks for something that does not exist. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
