"""CocoIndex: a memoised function over a folder, into Qdrant. LIBRARY STATE MODEL_URL STORE_URL"""

import os
import pathlib
import sys
import uuid

sys.path.pop(0)  # this file has the name of the package
library, state, model, store = sys.argv[1:]
os.environ["COCOINDEX_DB"] = state + "/cocoindex.db"
os.environ["OPENAI_API_KEY"] = "x"

import cocoindex as coco
from cocoindex.connectors import localfs, qdrant
from cocoindex.ops.litellm import LiteLLMEmbedder
from cocoindex.ops.text import RecursiveSplitter
from cocoindex.resources.file import PatternFilePathMatcher
from qdrant_client.models import PointStruct

embedder = LiteLLMEmbedder("openai/text-embedding-3-small", api_base=model)
CLIENT = coco.ContextKey("client")


@coco.fn(memo=True)
async def index_file(file, target):
    name = str(file.file_path.path)
    for place, chunk in enumerate(RecursiveSplitter().split(await file.read_text(), chunk_size=1000, chunk_overlap=200)):
        point = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}#{place}"))
        vector = await embedder.embed(chunk.text)
        target.declare_point(PointStruct(id=point, vector=vector.tolist(), payload={"path": name, "text": chunk.text}))


@coco.lifespan
async def lifespan(builder):
    builder.provide(CLIENT, qdrant.create_client(store, prefer_grpc=False))
    yield


@coco.fn
async def main(folder):
    schema = await qdrant.CollectionSchema.create(vectors=qdrant.QdrantVectorDef(schema=embedder))
    target = await qdrant.mount_collection_target(CLIENT, "cocoindex", schema)
    matcher = PatternFilePathMatcher(included_patterns=["**/*_desc.md"])
    await coco.mount_each(index_file, localfs.walk_dir(folder, recursive=True, path_matcher=matcher).items(), target)


coco.App(coco.AppConfig(name="compare"), main, folder=pathlib.Path(library)).update_blocking()
