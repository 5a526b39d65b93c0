"""LlamaIndex: an ingestion pipeline with a document store, into Qdrant. LIBRARY STATE MODEL_URL STORE_URL"""

import pathlib
import sys

sys.path.pop(0)  # this file has the name of the package

from llama_index.core import Document
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

library, state, model, store = sys.argv[1:]
state = pathlib.Path(state) / "llama"
documents = [
    Document(text=path.read_text(), doc_id=str(path.relative_to(library)))
    for path in sorted(pathlib.Path(library).rglob("*_desc.md"))
]
pipeline = IngestionPipeline(
    transformations=[
        # A thousand characters, a fifth of them twice, as the others have it.
        SentenceSplitter(chunk_size=1000, chunk_overlap=200, tokenizer=list),
        OpenAIEmbedding(api_base=model, api_key="x", embed_batch_size=100),
    ],
    docstore=SimpleDocumentStore(),
    docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
    vector_store=QdrantVectorStore("llama", client=QdrantClient(store)),
)
if state.exists():
    pipeline.load(str(state))
pipeline.run(documents=documents)
pipeline.persist(str(state))
