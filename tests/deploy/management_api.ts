/** What the CLI uploaded for one function. */
export interface Upload {
  readonly slug: string;
  /** The part `metadata`. */
  readonly metadata: {
    readonly name: string;
    readonly entrypoint_path: string;
    readonly import_map_path: string;
    readonly verify_jwt: boolean;
  };
  /** Contents by path. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** A stand-in of the Management API on the loopback, as far as deploying functions goes. */
export interface ManagementApi extends AsyncDisposable {
  readonly url: string;
  /** In the order in which they came in. */
  readonly uploads: readonly Upload[];
  /** The slugs of each call that makes uploaded functions the live ones. */
  readonly activations: readonly (readonly string[])[];
  /** Requests that it has no answer to, as `METHOD PATH`. */
  readonly unknown: readonly string[];
}

/** Starts a stand-in that knows one project and one access token, and refuses other tokens. */
export function startManagementApi(projectRef: string, accessToken: string): ManagementApi {
  const uploads: Upload[] = [];
  const activations: string[][] = [];
  const unknown: string[] = [];
  const project = `/v1/projects/${projectRef}`;

  const answer = async (request: Request): Promise<Response> => {
    const { pathname, searchParams } = new URL(request.url);
    if (request.headers.get("authorization") !== `Bearer ${accessToken}`) {
      return Response.json({ message: "Unauthorized" }, { status: 401 });
    }
    const route = `${request.method} ${pathname}`;
    if (route === `POST ${project}/functions/deploy`) {
      const upload = await readUpload(searchParams.get("slug") ?? "", request);
      uploads.push(upload);
      return Response.json(describeFunction(upload), { status: 201 });
    }
    if (route === `PUT ${project}/functions`) {
      const functions = await request.json() as { slug: string }[];
      activations.push(functions.map(({ slug }) => slug));
      return Response.json({ functions });
    }
    if (route === `GET ${project}`) return Response.json({ id: projectRef, ref: projectRef, name: "loopback" });
    unknown.push(route);
    return Response.json({ message: "Not Found" }, { status: 404 });
  };

  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, answer);
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    uploads,
    activations,
    unknown,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

async function readUpload(slug: string, request: Request): Promise<Upload> {
  const form = await request.formData();
  const metadata = form.get("metadata");
  const parts = form.getAll("file").filter((part) => part instanceof File);
  const files = await Promise.all(parts.map(async (file) => [file.name, await file.bytes()] as const));
  const text = metadata instanceof File ? await metadata.text() : metadata ?? "";
  return { slug, metadata: JSON.parse(text), files: new Map(files) };
}

function describeFunction({ slug, metadata }: Upload): Record<string, unknown> {
  const now = Date.now();
  return {
    ...metadata,
    id: crypto.randomUUID(),
    slug,
    status: "ACTIVE",
    version: 1,
    created_at: now,
    updated_at: now,
  };
}
