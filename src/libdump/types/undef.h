/* SPDX-License-Identifier: BSD-2-Clause */
#undef VD_BEGIN
#undef VD_U32
#undef VD_U64
#undef VD_I64
#undef VD_STR
#undef VD_BYTES
#undef VD_U32S
#undef VD_U64S
#undef VD_LIST
#undef VD_END
