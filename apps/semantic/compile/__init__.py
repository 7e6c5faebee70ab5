from apps.semantic.compile.pipeline import compile_query
from apps.semantic.compile.types import CompiledQuery, ResultColumn

__all__ = ["CompiledQuery", "ResultColumn", "compile_query"]
