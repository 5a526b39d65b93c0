"""LangChain: its indexing API with a record manager, into Qdrant. LIBRARY STATE MODEL_URL STORE_URL"""

import pathlib
import sys

sys.path.pop(0)  # this file has the name of the package

from langchain_classic.indexes import SQLRecordManager, index
from langchain_core.documents import Document
from langchain_openai import OpenAIEmbeddings
from langchain_qdrant import QdrantVectorStore
from langchain_text_splitters import RecursiveCharacterTextSplitter
from qdrant_client import QdrantClient
from qdrant_client.models import Distance, VectorParams

library, state, model, store = sys.argv[1:]
client = QdrantClient(store)
if not client.collection_exists("langchain"):
    client.create_collection("langchain", vectors_config=VectorParams(size=1536, distance=Distance.COSINE))
embeddings = OpenAIEmbeddings(base_url=model, api_key="x", check_embedding_ctx_length=False, chunk_size=100)
vectors = QdrantVectorStore(client, "langchain", embeddings)
records = SQLRecordManager("qdrant/langchain", db_url=f"sqlite:///{state}/langchain.sqlite")
records.create_schema()
splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200)
documents = [
    Document(page_content=path.read_text(), metadata={"source": str(path.relative_to(library))})
    for path in sorted(pathlib.Path(library).rglob("*_desc.md"))
]
index(splitter.split_documents(documents), records, vectors, cleanup="full", source_id_key="source")
