"""Names for the types of arguments, for type checkers."""

from typing import TypeAlias

from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix

__all__ = ["ArrayLike", "MatrixLike"]

MatrixLike: TypeAlias = ArrayLike | sparray | spmatrix  # data frames are array-like
